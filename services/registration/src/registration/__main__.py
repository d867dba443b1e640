"""`python -m registration api|worker|all|migrate|provision`."""

from chassis.runner import main
from registration.wiring import SERVICE

main(SERVICE)
