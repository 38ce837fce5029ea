import sys

from mitmkube.cli import main

sys.exit(main())
