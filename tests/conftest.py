"""What holds for every test, wherever it lies."""

import os
import shutil
import signal
import tempfile
from functools import partial

import lasting_cache
import left_processes
import pytest
import slow_tests


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--measure-slow", action="store_true", help=f"write {slow_tests.LIST.name} anew"
    )


def pytest_configure(config: pytest.Config) -> None:
    _obey_ctrl_c()
    config.addinivalue_line("markers", "slow: needs over a second (slow_tests.txt)")
    config.stash[_LEFT] = []
    lasting_cache.settle()
    # What one run of the tests has found out of a model is not known to the next, and what its
    # daemons keep is not left among the developer's own.
    for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        folder = os.environ[variable] = tempfile.mkdtemp(prefix="fer-tests-")
        config.add_cleanup(partial(shutil.rmtree, folder, ignore_errors=True))
    one_of_several = hasattr(config, "workerinput")  # a process of pytest-xdist
    if not one_of_several:
        left_processes.mark_run()
    if config.option.measure_slow:
        config.pluginmanager.register(slow_tests.Meter())
        if not one_of_several:
            config.pluginmanager.register(slow_tests.Writer())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow_tests.mark(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> object:
    done = yield
    file = item.nodeid.partition("::")[0]
    last_of_its_file = nextitem is None or nextitem.nodeid.partition("::")[0] != file
    # A test that is run once more (pytest-rerunfailures) keeps what its module has set up.
    runs_again = getattr(item, "_finalizers_suspended", False)
    if last_of_its_file and not runs_again and (left := left_processes.left_by_file(file)):
        pytest.fail("left behind: " + "; ".join(map(str, left)), pytrace=False)
    return done


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> object:
    done = yield
    if not hasattr(session.config, "workerinput") and (left := left_processes.left_by_run()):
        session.config.stash[_LEFT] = left
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return done


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for left in config.stash[_LEFT]:
        terminalreporter.write_line(f"ERROR left behind: {left}", red=True)


_LEFT = pytest.StashKey[list[left_processes.Left]]()


def _obey_ctrl_c() -> None:
    """Let Ctrl-C end this process and those it starts, even where a shell said otherwise.

    A shell ignores it for what it starts in the background, and children inherit that. A handler
    they do not: with one set here they begin as they would at a prompt.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
