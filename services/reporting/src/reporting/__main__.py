"""`python -m reporting api|worker|all|migrate|provision`."""

from chassis.runner import main
from reporting.wiring import SERVICE

main(SERVICE)
