"""What the tests of the launchers share."""

import pytest

from tests.launch.fake_tools import Tools


@pytest.fixture
def tools(tmp_path):
    """An empty folder for programs that stand in for others."""
    return Tools(tmp_path)
