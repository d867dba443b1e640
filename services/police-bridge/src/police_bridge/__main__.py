"""`python -m police_bridge api|worker|all|migrate|provision`."""

from chassis.runner import main
from police_bridge.wiring import SERVICE

main(SERVICE)
