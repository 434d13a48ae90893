"""The section of the report with pictures of flow."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeflownas.config import dump
from edgeflownas.data.datasets import open_part
from edgeflownas.evaluation.flow_picture import describe_flow, draw_legend, draw_panels
from edgeflownas.hardware.board import Board
from edgeflownas.storage.files import write_text
from search.report.contents import Contents
from search.report.flow import flow_section
from search.workers.predictors import calibration_images, open_predictor
from tests.search.queue.small import small_run


def make_contents(run):
    board = Board.load(Path("configs/hardware/grove_vision_ai_v2.yaml"))
    supernet = run.origin(run.supernet_file, run.supernet_weights())
    return Contents(run.folder.name, run, board, {}, None, None, None, [], None, [], {}, {}, supernet, False)


def pixels(picture):
    return cv2.imdecode(np.frombuffer(picture.png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_section_shows_the_epe_and_flow_of_the_network(tmp_path):
    run = small_run(tmp_path)
    write_text(run.folder / "config.yaml", dump(run.config))
    section = flow_section([make_contents(run)], [None], ["000000000"], 2)
    predicting = open_predictor(run, (0,) * 9, run.supernet_weights(), calibration_images(run))
    dataset = open_part(run.config.data, "val")
    for index, (picture, line) in enumerate(zip(section.pictures, section.data.rows)):
        sample = dataset.sample(index, None)
        flow = predicting.flow(sample.images)
        epe = np.linalg.norm(flow - sample.flow, axis=-1)[sample.valid].mean()
        assert line[1] == "000000000" and line[-1] == pytest.approx(epe, rel=1e-6)
        assert f"EPE {epe:.3f} px; {describe_flow(sample, flow)}" in picture.title
        assert (pixels(picture) == np.concatenate(draw_panels(sample, flow), axis=1)).all()
    predicting.close()
    assert (pixels(section.pictures[2]) == draw_legend()).all() and len(section.pictures) == 3


def test_absence_of_pictures_is_explained(tmp_path):
    run = small_run(tmp_path)
    assert "nothing to draw yet" in flow_section([make_contents(run)], [None], [], 2).text[0]
    assert "--pairs 0" in flow_section([make_contents(run)], [None], ["000000000"], 0).text[0]
