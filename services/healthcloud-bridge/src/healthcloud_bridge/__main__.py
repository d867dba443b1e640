"""`python -m healthcloud_bridge api|worker|all`, and the operator's commands that `--help` lists."""

from chassis.runner import main
from healthcloud_bridge.wiring import SERVICE

main(SERVICE)
