import re
from pathlib import Path

import pytest
from conftest import Server


def test_the_program_of_the_readme_runs(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(program.replace("127.0.0.1:50051", server.address), "README.md", "exec"), {})
    assert capsys.readouterr().out == "1 \n2 begin\n"
