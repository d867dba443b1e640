"""`python -m police_bridge api|worker|all`, and the operator's commands that `--help` lists."""

from chassis.runner import main
from police_bridge.wiring import SERVICE

main(SERVICE)
