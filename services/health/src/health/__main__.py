"""`python -m health api|worker|all`, and the operator's commands that `--help` lists."""

from chassis.runner import main
from health.wiring import SERVICE

main(SERVICE)
