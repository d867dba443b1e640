"""`python -m health api|worker|all|migrate|provision`."""

from chassis.runner import main
from health.wiring import SERVICE

main(SERVICE)
