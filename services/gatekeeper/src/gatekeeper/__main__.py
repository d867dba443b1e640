"""`python -m gatekeeper api|worker|all|migrate|provision`."""

from chassis.runner import main
from gatekeeper.wiring import SERVICE

main(SERVICE)
