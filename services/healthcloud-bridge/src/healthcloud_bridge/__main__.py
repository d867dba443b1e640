"""`python -m healthcloud_bridge api|worker|all|migrate|provision`."""

from chassis.runner import main
from healthcloud_bridge.wiring import SERVICE

main(SERVICE)
