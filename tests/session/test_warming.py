"""What is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def test_after_warming_up_the_first_training_step_loads_nothing_more():
    program = textwrap.dedent(
        """
        import sys
        from napari_gmmseg.session import warm_up
        warm_up().join()
        before = set(sys.modules)
        assert "napari_gmmseg.fitting" in before
        import torch
        weight = torch.ones(3, requires_grad=True)
        optimiser = torch.optim.AdamW([weight])
        torch.nn.functional.conv1d(torch.ones(1, 1, 5), weight.view(1, 1, 3)).sum().backward()
        optimiser.step()
        print(sorted(set(sys.modules) - before))
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_what_else_is_slow_comes_first_and_its_failure_ends_nothing():
    program = textwrap.dedent(
        """
        import sys
        from napari_gmmseg.session import warm_up
        def early():
            print("torch" in sys.modules)
            raise RuntimeError("no window")
        assert warm_up(early) is warm_up()
        warm_up().join()
        print("napari_gmmseg.fitting" in sys.modules)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["False", "True"], done.stderr
