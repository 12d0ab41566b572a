"""Takes out of an installed torch what only a GPU needs, so that a CPU image is a quarter of the size.

Runs inside an image build on a bare Python 3.11, so it imports nothing but the standard library. Where torch came
from an index of CPU wheels there is nothing to take out, and nothing happens.
"""
