// Copyright 2026 The loftr_vo authors
// SPDX-License-Identifier: Apache-2.0
// Sorts the table by the column whose heading is chosen; what is not known comes last.
'use strict';

const body = document.querySelector('#recordings tbody');
const headings = [...document.querySelectorAll('#recordings thead th')];

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
    const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
    rows.sort((a, b) => compare(a[0], b[0], ascending ? 1 : -1));
    body.append(...rows.map((pair) => pair[1]));
  });
});
