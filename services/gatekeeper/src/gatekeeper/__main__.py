"""`python -m gatekeeper api|worker|all`, and the operator's commands that `--help` lists."""

from chassis.runner import main
from gatekeeper.wiring import SERVICE

main(SERVICE)
