// Copyright 2026 The loftr_vo authors
// SPDX-License-Identifier: Apache-2.0
// Draws the plots of the report from the data in the page, at the width that there is, and links
// them: the frame under the pointer is marked in all.
'use strict';

const data = JSON.parse(document.getElementById('data').textContent);
const plots = [];
const STATE_COLOURS = { i: 'var(--amber)', t: 'var(--good)', l: 'var(--bad)' };
const STATE_NAMES = { i: 'initialising', t: 'tracking', l: 'lost' };

function element(name, attributes, parent) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.appendChild(made);
  return made;
}

function say(parent, x, y, text, anchor) {
  element('text', { x, y, 'text-anchor': anchor }, parent).textContent = text;
}

function known(values) {
  return values.filter((value) => value !== null);
}

// Round numbers that divide a range into about as many steps as wanted.
function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(wanted, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n += 1) {
    found.push(n * step);
  }
  return found;
}

function brief(value) {
  if (value === null || value === undefined) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 1000) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

// The curve through the points; it is broken where a value is missing.
function curve(points) {
  let pen = 'M';
  let path = '';
  for (const point of points) {
    if (point === null) {
      pen = 'M';
    } else {
      path += `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
      pen = 'L';
    }
  }
  return path;
}

function frame(svg, left, right, top, bottom, x, y, xTicks, yTicks) {
  for (const value of yTicks) {
    element('line', { class: 'grid', x1: left, x2: right, y1: y(value), y2: y(value) }, svg);
    say(svg, left - 6, y(value) + 4, brief(value), 'end');
  }
  for (const value of xTicks) {
    element('line', { class: 'grid', x1: x(value), x2: x(value), y1: top, y2: bottom }, svg);
    say(svg, x(value), bottom + 15, brief(value), 'middle');
  }
}

function scale(low, high, from, to) {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

// One or more series over time.
function timePlot(holder) {
  const series = holder.dataset.series.split(' ').map((name) => data.series[name]);
  const svg = holder.querySelector('svg');
  const value = holder.querySelector('.value');
  const height = 150;
  let x;

  function draw() {
    const width = holder.clientWidth;
    const [left, right, top, bottom] = [46, width - 8, 8, height - 22];
    svg.replaceChildren();
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const all = known(series.flatMap((one) => one.values)).sort((a, b) => a - b);
    const high = (all.length ? all[all.length - 1] : 1) || 1;
    x = scale(data.time[0], data.time[data.time.length - 1], left, right);
    const y = scale(0, 1.05 * high, bottom, top);
    const xTicks = ticks(data.time[0], data.time[data.time.length - 1], width / 110);
    frame(svg, left, right, top, bottom, x, y, xTicks, ticks(0, 1.05 * high, 4));
    drawStates(svg, x, bottom);
    for (const one of series) {
      const points = one.values.map((v, n) => (v === null ? null : [x(data.time[n]), y(v)]));
      const style = `stroke: var(--${one.colour})`;
      element('path', { class: 'curve', d: curve(points), style }, svg);
    }
    element('line', { class: 'cursor', y1: top, y2: bottom, visibility: 'hidden' }, svg);
  }

  function mark(index) {
    const cursor = svg.querySelector('.cursor');
    const at = x(data.time[index]);
    cursor.setAttribute('x1', at);
    cursor.setAttribute('x2', at);
    cursor.setAttribute('visibility', 'visible');
    const words = series.map((one) => `${one.short} ${brief(one.values[index])} ${one.unit}`.trim());
    value.textContent = words.join(', ');
  }

  function nearest(event) {
    const box = svg.getBoundingClientRect();
    const at = event.clientX - box.left;
    let best = 0;
    for (let n = 1; n < data.time.length; n += 1) {
      if (Math.abs(x(data.time[n]) - at) < Math.abs(x(data.time[best]) - at)) best = n;
    }
    return best;
  }

  link(svg, nearest);
  plots.push({ draw, mark });
}

// A strip under the curves: how the odometry stood, and a mark at every keyframe.
function drawStates(svg, x, bottom) {
  let from = 0;
  for (let n = 1; n <= data.states.length; n += 1) {
    if (n < data.states.length && data.states[n] === data.states[from]) continue;
    const start = x(data.time[from]);
    const end = x(data.time[Math.min(n, data.states.length - 1)]);
    const fill = STATE_COLOURS[data.states[from]];
    const width = Math.max(end - start, 1);
    element('rect', { x: start, y: bottom - 1, width, height: 3, style: `fill: ${fill}` }, svg);
    from = n;
  }
  if (data.keyframes.length > svg.clientWidth / 6) return;
  for (const index of data.keyframes) {
    const at = x(data.time[index]);
    const style = 'stroke: var(--soft); stroke-width: 1';
    element('line', { x1: at, x2: at, y1: bottom - 7, y2: bottom - 1, style }, svg);
  }
}

// The path from above, both axes to the same scale.
function pathPlot(holder) {
  const svg = holder.querySelector('svg');
  const value = holder.querySelector('.value');
  const { estimate, truth, down } = data.path;
  let x;
  let y;

  function draw() {
    const width = holder.clientWidth;
    const xs = known([...estimate.x, ...(truth ? truth.x : [])]);
    const ys = known([...estimate.y, ...(truth ? truth.y : [])]);
    const [left, right, top] = [46, width - 8, 8];
    let [x0, x1] = [Math.min(...xs), Math.max(...xs)];
    let [y0, y1] = [Math.min(...ys), Math.max(...ys)];
    const across = right - left;
    const least = Math.max(x1 - x0, y1 - y0, 1e-9);
    const ratio = Math.min(Math.max((y1 - y0) / Math.max(x1 - x0, 0.05 * least), 0.25), 0.62);
    const up = Math.max(across * ratio, 220);
    const size = 1.12 * Math.max((x1 - x0) / across, (y1 - y0) / up, 1e-9 / across);
    [x0, x1] = [(x0 + x1 - across * size) / 2, (x0 + x1 + across * size) / 2];
    [y0, y1] = [(y0 + y1 - up * size) / 2, (y0 + y1 + up * size) / 2];
    const bottom = top + up;
    svg.replaceChildren();
    svg.setAttribute('viewBox', `0 0 ${width} ${bottom + 22}`);
    x = scale(x0, x1, left, right);
    y = down ? scale(y0, y1, top, bottom) : scale(y0, y1, bottom, top);
    frame(svg, left, right, top, bottom, x, y, ticks(x0, x1, width / 110), ticks(y0, y1, up / 60));
    if (truth) stroke(truth, 'truth', 3.5);
    stroke(estimate, 'estimate', 1.8);
    for (const index of data.keyframes) dot(estimate, index, 2.5, 'estimate', '');
    dot(truth || estimate, firstPose(), 5, 'ink', '');
    dot(truth, firstPose(), 5, 'truth', 'hand');
    dot(estimate, firstPose(), 5, 'estimate', 'hand');
    for (const one of svg.querySelectorAll('.hand')) one.setAttribute('visibility', 'hidden');
  }

  function firstPose() {
    return estimate.x.findIndex((one) => one !== null);
  }

  function stroke(line, colour, width) {
    const points = line.x.map((one, n) => (one === null ? null : [x(one), y(line.y[n])]));
    const style = `stroke: var(--${colour}); stroke-width: ${width}`;
    element('path', { class: 'curve', d: curve(points), style }, svg);
  }

  function dot(line, index, r, colour, name) {
    if (!line || line.x[index] === null || line.x[index] === undefined) return;
    const [cx, cy] = [x(line.x[index]), y(line.y[index])];
    const style = `fill: var(--${colour}); stroke: var(--card); stroke-width: 1`;
    element('circle', { class: name, cx, cy, r, style }, svg);
  }

  function mark(index) {
    svg.querySelectorAll('.hand').forEach((one) => one.remove());
    dot(truth, index, 5.5, 'truth', 'hand');
    dot(estimate, index, 5.5, 'estimate', 'hand');
    const state = STATE_NAMES[data.states[index]];
    const key = data.keyframes.includes(index) ? ', keyframe' : '';
    value.textContent = `frame ${data.frames[index]}, ${brief(data.time[index])} s, ${state}${key}`;
  }

  function nearest(event) {
    const box = svg.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    let [best, least] = [firstPose(), Infinity];
    estimate.x.forEach((one, n) => {
      if (one === null) return;
      const distance = Math.hypot(x(one) - px, y(estimate.y[n]) - py);
      if (distance < least) [best, least] = [n, distance];
    });
    return best;
  }

  link(svg, nearest);
  plots.push({ draw, mark });
}

function link(svg, nearest) {
  const follow = (event) => {
    const index = nearest(event);
    if (index >= 0) plots.forEach((plot) => plot.mark(index));
  };
  svg.addEventListener('pointermove', follow);
  svg.addEventListener('pointerdown', follow);
}

document.querySelectorAll('.plot.path').forEach(pathPlot);
document.querySelectorAll('.plot.time').forEach(timePlot);

let drawnAt = 0;
function drawAll() {
  if (document.body.clientWidth === drawnAt) return;
  drawnAt = document.body.clientWidth;
  plots.forEach((plot) => plot.draw());
}
window.addEventListener('resize', drawAll);
drawAll();
