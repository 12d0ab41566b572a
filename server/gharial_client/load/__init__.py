"""Many streams at once, at the pace of speech: what do users feel at this load?

command -> Generators (one Crowd here, or one in each of several processes) -> Tally -> summary and page
"""
