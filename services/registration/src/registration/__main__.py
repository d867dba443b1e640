"""`python -m registration api|worker|all`, and the operator's commands that `--help` lists."""

from chassis.runner import main
from registration.wiring import SERVICE

main(SERVICE)
