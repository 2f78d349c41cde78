# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The HTML report: complete, self-contained, well-formed, and drawn by a real browser."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import recordings
from browser import dom_of, faults_of_site, needs_chromium

from loftr_vo.cli import main
from loftr_vo.config import KeyframeSettings, Settings
from loftr_vo.evaluation import scoring
from loftr_vo.evaluation.batch.summary import render_summary
from loftr_vo.evaluation.html_report import Provenance, render_page
from loftr_vo.evaluation.page_data import (
    MOST_FRAMES,
    View,
    plot_data,
    view_of,
)
from loftr_vo.evaluation.page_picture import Picture
from loftr_vo.evaluation.report import collect_metrics
from loftr_vo.evaluation.run_record import FrameRecord, Run
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.odometry.estimate import State

INIT, TRACKING, LOST = State.INITIALISING, State.TRACKING, State.LOST
VOID = {'meta', 'img', 'br', 'input'}


def make_run(states):
    records = []
    for index, state in enumerate(states):
        pose = np.eye(4)
        pose[:3, 3] = [np.sin(0.3 * index), 0.0, 0.3 * index]
        records.append(
            FrameRecord(
                stamp=1311868169163497925 + index * 10**8,
                state=state,
                reason='' if state is TRACKING else f'<told & so> at {index}',
                pose=pose,
                matches=100 + index,
                inliers=80 if state is TRACKING else 0,
                parallax=0.5,
                is_keyframe=index % 4 == 0,
                metric=False,
                latency_ms=20.0 + index,
            )
        )
    return Run(records)


def page_of(run, scored=True, settings=None, provenance=None, name='walk'):
    alignment = scores = None
    if scored:
        poses = run.trajectory.poses.copy()
        poses[:, :3, 3] *= 2.0
        poses[3, 0, 3] += 0.1
        truth = Trajectory(run.trajectory.stamps, poses)
        alignment = scoring.align(run.trajectory, truth, metric=False)
        scores = scoring.score_alignment(alignment)
    metrics = collect_metrics(name, run.frames, run, scores, 'compact', 'cpu')
    picture = Picture(np.full((40, 60, 3), 128, np.uint8), 'frame 1')
    return render_page(
        run,
        metrics,
        settings or Settings(),
        alignment,
        provenance or Provenance('loftr_vo evaluate walk', 'walk (rosbag)', '/truth'),
        [picture],
    )


class Page(HTMLParser):
    """Follows the elements, and keeps their attributes, text, and what stays open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.scripts, self.text = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.scripts if self.open[-1:] == ['script'] else self.text).append(data)


def test_page_is_well_formed_and_loads_nothing():
    text = page_of(make_run([INIT, INIT, *[TRACKING] * 10]))
    page = Page(text)
    assert page.open == []
    sources = [value for _, name, value in page.attributes if name in ('src', 'href', 'srcset')]
    assert sources
    assert all(source.startswith('data:image/jpeg;base64,') for source in sources)
    assert any('default-src' in str(value) for _, _, value in page.attributes)
    # Besides the name space of SVG there is no address in it.
    addresses = set(re.findall(r'https?://[^\'"\s]+', text))
    assert addresses <= {'http://www.w3.org/2000/svg'}
    assert '@import' not in text
    assert 'url(' not in text


def test_page_says_what_was_run_and_what_came_out():
    settings = Settings(keyframe=KeyframeSettings(max_age=7))
    notes = Provenance('loftr_vo evaluate a', 'a (rosbag)', '/truth (Odometry)', ('mind this',))
    text = page_of(make_run([INIT, *[TRACKING] * 8, LOST, LOST, TRACKING]), True, settings, notes)
    said = ' '.join(Page(text).text)
    for words in (
        '10 of 12 frames',
        'position error (ATE)',
        'Settings (1 changed)',
        'mind this',
        '/truth (Odometry)',
        'loftr_vo evaluate a',
        'numpy',
        'keyframe.max_age',
        '9 to 10',
        'lost: <told & so> at 9',
    ):
        assert words in said
    # What is said of a recording cannot become part of the page.
    assert '<told' not in text


def test_page_without_ground_truth_has_no_figure_that_needs_one():
    said = ' '.join(Page(page_of(make_run([INIT, *[TRACKING] * 5]), scored=False)).text)
    assert 'ATE' not in said
    assert 'Position error' not in said
    assert 'Time per frame (ms)' in said


@pytest.mark.parametrize('states', [[], [INIT], [LOST, LOST, LOST], [INIT, LOST, LOST]])
def test_page_of_a_run_that_found_nothing(states):
    page = Page(page_of(make_run(states), scored=False))
    assert page.open == []


def test_name_that_is_markup_stays_text():
    text = page_of(make_run([INIT, *[TRACKING] * 5]), name='</script><b>walk')
    assert '<b>walk' not in text
    assert '</script><b>walk' in ' '.join(Page(text).text)


def test_data_belongs_to_the_frames():
    run = make_run([INIT, TRACKING, LOST, *[TRACKING] * 5])
    data = plot_data(run, None)
    assert data['states'] == list('itlttttt')
    assert data['time'] == [round(0.1 * index, 4) for index in range(8)]
    assert data['keyframes'] == [0, 4]
    assert data['path']['estimate']['x'][2] is None
    assert data['path']['estimate']['x'][3] == pytest.approx(0.9, abs=1e-4)
    assert data['series']['inliers']['values'][2:4] == [0.0, 80.0]
    assert data['path']['truth'] is None
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_path_is_seen_from_one_side_and_lies():
    # From above, in optical axes: x to the right and z up, or turned by a quarter.
    assert view_of(np.array([[0, 0, 0], [9, 0, 2]])) == View(0, 2, down=False)
    assert view_of(np.array([[0, 0, 0], [2, 0, 9]])) == View(2, 0, down=True)
    assert view_of(np.array([[0, 0, 0], [2, 0, 9]])).words == 'z to the right, x down'


def test_long_recordings_make_small_pages():
    run = make_run([TRACKING] * (MOST_FRAMES + 777))
    data = plot_data(run, None)
    assert len(data['frames']) == MOST_FRAMES
    assert data['frames'][-1] == MOST_FRAMES + 776
    assert len(page_of(run, scored=False)) < 10**6


def test_several_recordings_make_a_summary_with_links(tmp_path):
    first = recordings.write_folder(tmp_path / 'a' / 'walk')
    second = recordings.write_folder(tmp_path / 'b' / 'walk')
    words = ['evaluate', str(first), str(second), '--baseline', 'lk', '-o', str(tmp_path / 'out')]
    assert main.main(words) == 0
    page = Page((tmp_path / 'out' / 'summary.html').read_text())
    links = [value for tag, name, value in page.attributes if (tag, name) == ('a', 'href')]
    assert links == ['a-walk/report.html', 'b-walk/report.html']
    assert all((tmp_path / 'out' / link).exists() for link in links)
    assert 'loftr_vo evaluate' in ' '.join(page.text)
    assert Page(render_summary([], {}, '')).open == []


def summary_of(count, status='done'):
    rows = [
        {
            'sequence': f'walk-{index:04d}',
            'repeat': 0,
            'status': status,
            'error': '' if status == 'done' else 'no pictures',
            'folder': f'walk-{index:04d}',
            'frames': 5,
            'tracked': 5,
            'ate_percent': float((7 * index) % count),
        }
        for index in range(count)
    ]
    line = [[0, 0], [100, 50]]
    thumbnails = {row['folder']: {'true': line, 'estimated': line} for row in rows}
    return render_summary(rows, thumbnails, 'loftr_vo evaluate')


def test_of_many_recordings_few_are_laid_out_at_first():
    page = Page(summary_of(250))
    assert page.open == []
    links = [value for tag, name, value in page.attributes if (tag, name) == ('a', 'href')]
    assert links == [f'walk-{index:04d}/report.html' for index in range(250)]
    first, rest = summary_of(250).split('<template')
    assert (first.count('report.html'), rest.count('report.html')) == (100, 150)
    assert '<template' not in summary_of(100)
    first, rest = summary_of(250, 'failed').split('<details')
    assert (first.count('no pictures'), rest.count('no pictures')) == (100, 150)


@needs_chromium
def test_browser_sorts_filters_and_shows_all_of_a_long_summary(tmp_path):
    watch = """<script>
        onerror = (m) => { document.title = `error: ${m}`; };
        addEventListener('load', () => {
            const said = [];
            const names = () => [...document.querySelectorAll('#recordings tbody tr')].map(
                (row) => row.cells[1].textContent.trim());
            const note = () => said.push([names().length, names()[0], names().at(-1)].join(' '));
            note();
            const sort = document.querySelectorAll('th button')[3];
            sort.click();
            note();
            sort.click();
            note();
            const filter = document.querySelector('#filter');
            filter.value = 'WALK-02';
            filter.dispatchEvent(new Event('input'));
            note();
            filter.value = '';
            filter.dispatchEvent(new Event('input'));
            for (let n = 0; n < 3; n += 1) {
                scrollTo(0, document.body.scrollHeight);
                dispatchEvent(new Event('scroll'));
            }
            note();
            document.title = said.join('; ');
        });
    </script></head>"""
    dom = dom_of(tmp_path / 'page.html', summary_of(250).replace('</head>', watch))
    assert re.search('<title>(.*)</title>', dom)[1] == (
        '100 walk-0000 walk-0099; 100 walk-0000 walk-0157; 100 walk-0107 walk-0200; '
        '50 walk-0214 walk-0215; 250 walk-0107 walk-0000'
    )


@needs_chromium
def test_browser_draws_the_plots(tmp_path):
    text = page_of(make_run([INIT, INIT, *[TRACKING] * 10, LOST]))
    # Errors of the script would otherwise be seen by no one.
    watch = '<script>onerror = (m) => { document.title = `error: ${m}`; };</script></head>'
    point = """<script>addEventListener('load', () => {
        const svg = document.querySelectorAll('.plot svg')[1];
        const clientX = svg.getBoundingClientRect().right - 20;
        svg.dispatchEvent(new PointerEvent('pointermove', { clientX }));
    });</script></body>"""
    text = text.replace('</head>', watch).replace('</body>', point)
    drawn = dom_of(tmp_path / 'page.html', text)
    assert '<title>walk: visual odometry</title>' in drawn
    plots = re.findall(r'<div class="plot.*?</svg>', drawn, re.DOTALL)
    assert len(plots) == 7
    for plot in plots:
        assert re.search(r'<path[^>]* d="M[\d.]+ [\d.]+L', plot)
        assert 'NaN' not in plot
        assert 'Infinity' not in plot
    assert 'frame 12, 1.2 s, lost, keyframe' in drawn


@pytest.mark.slow
@needs_chromium
def test_pages_fit_a_desktop_and_a_phone_and_have_no_faults(tmp_path):
    site = tmp_path / 'report'
    site.mkdir()
    (site / 'report.html').write_text(page_of(make_run([INIT, INIT, *[TRACKING] * 10, LOST])))
    (site / 'summary.html').write_text(summary_of(250, 'failed'))
    assert faults_of_site(site, ['/report.html', '/summary.html']) == []
