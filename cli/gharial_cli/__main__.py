"""`python -m gharial_cli` is the same as `gharial`."""

import sys

from gharial_cli.main import main

sys.exit(main())
