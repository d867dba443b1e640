"""What tests of services share. Nothing here runs in production.

Read `specification.py` for the tests of a decider (given/when/then, no I/O), `wait.py` for tests that wait for another
process or task.
"""

import pytest

# So that a failed assertion in there shows both sides, as one in a test does.
pytest.register_assert_rewrite("chassis.testing.specification")
