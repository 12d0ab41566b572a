"""The tools of an admin: `gharial check` and the kubectl plugin.

They look from outside, with the rights of whoever calls them, and decide nothing that the operator decides.
"""
