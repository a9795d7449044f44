import threading

from worker.learning.python_calls import PythonCalls


def test_it_waits_for_calls_that_are_running_and_no_longer():
    calls, entered, leave = PythonCalls(), threading.Event(), threading.Event()
    order: list[str] = []

    def call() -> None:
        with calls:
            entered.set()
            leave.wait()
            order.append("call over")

    def wait() -> None:
        assert calls.wait_until_idle()
        order.append("idle")

    threads = [threading.Thread(target=call), threading.Thread(target=wait)]
    threads[0].start()
    entered.wait()
    threads[1].start()
    leave.set()
    for thread in threads:
        thread.join()
    assert order == ["call over", "idle"]
