"""Pictures of flow, and the section of the report that contains them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeflownas.config import dump
from edgeflownas.data.datasets import open_part
from edgeflownas.data.flow_colour import colour_flow
from edgeflownas.data.flow_picture import ERROR_COLOURS, colour_errors, draw_panels
from edgeflownas.data.sample import Sample
from edgeflownas.hardware.board import Board
from edgeflownas.storage.files import write_text
from search.report.contents import Contents
from search.report.flow import flow_section
from search.workers.predictors import calibration_images, open_predictor
from tests.search.queue.small import small_run


def make_contents(run):
    board = Board.load(Path("configs/hardware/grove_vision_ai_v2.yaml"))
    return Contents(run.folder.name, run, board, {}, None, None, None, [], None, [], {}, {}, False)


def test_errors_have_the_colour_of_their_interval():
    bounds = [bound for bound, _ in ERROR_COLOURS]
    assert bounds[:-1] == [0.1875 * 2**step for step in range(9)] and bounds[4] == 3.0
    errors = np.array([[0.0, 0.1874, 0.1875, 2.9, 3.0, 47.0, 48.0, 1e6, 0.0]])
    valid = np.array([[True] * 8 + [False]])
    expected = [ERROR_COLOURS[step][1] for step in (0, 0, 1, 4, 5, 8, 9, 9)] + [(0, 0, 0)]
    assert [tuple(colour) for colour in colour_errors(errors, valid)[0]] == expected


def test_ground_truth_and_prediction_have_the_same_scale():
    truth = np.zeros((2, 3, 2), np.float32)
    truth[0, 0] = (4, 0)
    sample = Sample(np.full((2, 3, 6), 7, np.uint8), truth, np.ones((2, 3), bool))
    image, true, predicted, error = draw_panels(sample, truth / 2)
    assert (image == 7).all() and (predicted == colour_flow(truth / 2, 4.0)).all()
    assert (true == colour_flow(truth)).all() and (predicted != true).any()
    assert tuple(error[0, 0]) == ERROR_COLOURS[4][1]  # 2 px


def test_section_shows_the_epe_and_flow_of_the_network(tmp_path):
    run = small_run(tmp_path)
    write_text(run.folder / "config.yaml", dump(run.config))
    section = flow_section([make_contents(run)], [None], ["000000000"], 2)
    predicting = open_predictor(run, (0,) * 9, run.supernet_file, calibration_images(run))
    dataset = open_part(run.config.data, "val")
    for index, (picture, line) in enumerate(zip(section.pictures, section.data.rows)):
        sample = dataset.sample(index, None)
        flow = predicting.flow(sample.images)
        epe = np.linalg.norm(flow - sample.flow, axis=-1)[sample.valid].mean()
        assert line[1] == "000000000" and line[-1] == pytest.approx(epe, rel=1e-6)
        assert f"EPE {epe:.3f} px" in picture.title
        pixels = cv2.imdecode(np.frombuffer(picture.png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert (pixels == np.concatenate(draw_panels(sample, flow), axis=1)).all()
    predicting.close()


def test_absence_of_pictures_is_explained(tmp_path):
    run = small_run(tmp_path)
    assert "nothing to draw yet" in flow_section([make_contents(run)], [None], [], 2).text[0]
    assert "--pairs 0" in flow_section([make_contents(run)], [None], ["000000000"], 0).text[0]
