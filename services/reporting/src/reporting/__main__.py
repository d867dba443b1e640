"""`python -m reporting api|worker|all`, and the operator's commands that `--help` lists."""

from chassis.runner import main
from reporting.wiring import SERVICE

main(SERVICE)
