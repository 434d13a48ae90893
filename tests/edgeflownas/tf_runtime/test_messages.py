import os
import tempfile

import pytest

from edgeflownas.tf_runtime.messages import hide_native_messages


def test_native_messages_appear_only_if_the_block_fails(capfd: pytest.CaptureFixture) -> None:
    with hide_native_messages():
        os.write(2, b"a note")
    assert capfd.readouterr().err == ""
    with pytest.raises(ValueError), hide_native_messages():
        os.write(2, b"the reason")
        raise ValueError
    assert capfd.readouterr().err == "the reason"
    os.write(2, b"later")
    assert capfd.readouterr().err == "later"


def test_full_temporary_folder_does_not_stop_a_block_that_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with hide_native_messages():
        os.write(2, b"a note")
