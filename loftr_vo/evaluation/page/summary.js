// Copyright 2026 The loftr_vo authors
// SPDX-License-Identifier: Apache-2.0
// Sorts the table by the column whose heading is chosen, filters it by name, and lays out as many
// of its rows as are scrolled to. What is not known comes last.
'use strict';

const AT_ONCE = 100;
const body = document.querySelector('#recordings tbody');
const headings = [...document.querySelectorAll('#recordings thead th')];
const filter = document.querySelector('#filter');
const more = document.querySelector('#more');
const rows = [...body.rows, ...(more ? more.content.querySelectorAll('tr') : [])];
let sorted = rows;
let found = rows;

function show(count) {
  body.append(...found.slice(body.rows.length, count));
}

function nearEnd() {
  return document.querySelector('#end').getBoundingClientRect().top < 2 * window.innerHeight;
}

function showMore() {
  while (body.rows.length < found.length && nearEnd()) show(body.rows.length + AT_ONCE);
}

function update() {
  const wanted = filter.value.toLowerCase();
  found = sorted.filter((row) => row.cells[1].textContent.toLowerCase().includes(wanted));
  document.querySelector('#count').textContent = `${found.length} of ${rows.length}`;
  body.replaceChildren();
  show(AT_ONCE);
}

function valueOf(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.value;
  if (text === undefined) return cell.textContent;
  return text === '' ? null : Number(text);
}

function compare(one, other, sign) {
  if (one === null || other === null) return (one === null) - (other === null);
  return sign * (typeof one === 'string' ? one.localeCompare(other) : one - other);
}

headings.forEach((heading, column) => {
  const button = heading.querySelector('button');
  if (button === null) return;
  button.addEventListener('click', () => {
    const ascending = heading.getAttribute('aria-sort') !== 'ascending';
    headings.forEach((each) => each.removeAttribute('aria-sort'));
    heading.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
    const pairs = sorted.map((row) => [valueOf(row, column), row]);
    pairs.sort((a, b) => compare(a[0], b[0], ascending ? 1 : -1));
    sorted = pairs.map((pair) => pair[1]);
    update();
  });
});

document.querySelector('.filter').hidden = false;
document.querySelector('#count').textContent = `${rows.length} of ${rows.length}`;
filter.addEventListener('input', update);
window.addEventListener('scroll', showMore, { passive: true });
window.addEventListener('resize', showMore);
window.addEventListener('beforeprint', () => show(found.length));
