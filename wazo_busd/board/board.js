// SPDX-License-Identifier: GPL-3.0-or-later
// SPDX-FileCopyrightText: The wazo-busd Authors
//
// What the daemon tells is shown as text and never as markup. Nodes are kept and written over, so that a day of
// updates takes no more memory than the first one.

'use strict';

const SILENCE_MS = 12000;
const AGAIN_MS = 3000;
const WIDE = 5;
const ROW_PX = 4;
const LONG_WORD = /\S{21}/;

const place = {
  host: document.getElementById('host'),
  state: document.getElementById('state'),
  rate: document.getElementById('rate'),
  hold: document.getElementById('hold'),
  panels: document.getElementById('panels'),
  hint: document.getElementById('hint'),
  heard: document.getElementById('heard'),
};

/** What was told last of each part, and in which order they stand. */
const told = new Map();
let order = [];
let stale = new Set();
let heardAt = null;
let lost = false;
let isHeld = false;
let isPlanned = false;
let serial = 0;
const shown = new Map();

function write(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

function mark(node, name, value) {
  if (node.dataset[name] !== value) {
    node.dataset[name] = value;
  }
}

function made(name, parent, className) {
  const node = document.createElement(name);
  if (className) {
    node.className = className;
  }
  parent.append(node);
  return node;
}

/** Panels stand close together, whatever their heights: each takes as many rows of the grid as it is high. */
const heights = new ResizeObserver((entries) => {
  const gap = 0.75 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  for (const { target } of entries) {
    target.style.gridRowEnd = `span ${Math.ceil((target.offsetHeight + gap) / ROW_PX)}`;
  }
});

/** Let a node have so many children. */
function count(parent, wanted, make) {
  while (parent.childElementCount > wanted) {
    parent.lastElementChild.remove();
  }
  while (parent.childElementCount < wanted) {
    make();
  }
}

function two(number) {
  return String(number).padStart(2, '0');
}

function duration(seconds) {
  if (seconds < 60) {
    return `${seconds} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min ${two(seconds % 60)} s`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${two(minutes % 60)} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function words(cell) {
  if (cell === null) {
    return '';
  }
  if (typeof cell === 'object') {
    return duration(cell.seconds);
  }
  return String(cell);
}

function clock(moment, withSeconds) {
  const time = `${two(moment.getHours())}:${two(moment.getMinutes())}${withSeconds ? `:${two(moment.getSeconds())}` : ''}`;
  const isToday = moment.toDateString() === new Date().toDateString();
  const day = `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
  return isToday ? time : `${day} ${time}`;
}

/** One panel, with the nodes that it is written into. */
class PanelView {
  constructor() {
    serial += 1;
    this.section = document.createElement('section');
    this.title = made('h2', this.section);
    this.title.id = `panel-${serial}`;
    this.section.setAttribute('aria-labelledby', this.title.id);
    this.about = made('p', this.section, 'about');
    this.totals = made('dl', this.section, 'totals');
    this.table = made('table', this.section);
    this.table.setAttribute('role', 'table');
    this.table.setAttribute('aria-labelledby', this.title.id);
    const head = made('thead', this.table);
    head.setAttribute('role', 'rowgroup');
    this.head = made('tr', head);
    this.head.setAttribute('role', 'row');
    this.body = made('tbody', this.table);
    this.body.setAttribute('role', 'rowgroup');
    this.empty = made('p', this.section, 'empty');
    this.more = made('p', this.section, 'more');
    heights.observe(this.section);
  }

  remove() {
    heights.unobserve(this.section);
    this.section.remove();
  }

  show(panel) {
    write(this.title, panel.title);
    write(this.about, panel.since === null ? '' : `known since ${clock(new Date(panel.since * 1000), false)}`);
    this.about.hidden = panel.since === null;
    this.showTotals(panel.totals);
    const has = panel.rows.length > 0;
    this.table.hidden = !has;
    this.table.classList.toggle('wide', panel.columns.length > WIDE);
    this.section.classList.toggle('broad', panel.columns.length > WIDE);
    if (has) {
      this.showHead(panel);
    }
    count(this.body, panel.rows.length, () => this.addRow());
    panel.rows.forEach((row, number) => this.showRow(this.body.children[number], row, panel.columns));
    write(this.empty, has ? '' : panel.empty);
    this.empty.hidden = has || !panel.empty;
    write(this.more, panel.more ? `and ${panel.more} more` : '');
    this.more.hidden = !panel.more;
  }

  showTotals(totals) {
    count(this.totals, totals.length, () => {
      const pair = made('div', this.totals);
      made('dt', pair);
      made('dd', pair);
    });
    totals.forEach(([label, value, tone], number) => {
      const pair = this.totals.children[number];
      write(pair.firstElementChild, label);
      write(pair.lastElementChild, value === null ? 'none' : words(value));
      mark(pair, 'tone', tone);
    });
  }

  showHead(panel) {
    count(this.head, panel.columns.length, () => {
      const cell = made('th', this.head);
      cell.scope = 'col';
      cell.setAttribute('role', 'columnheader');
    });
    panel.columns.forEach((name, number) => {
      const cell = this.head.children[number];
      write(cell, name);
      const isNumber = panel.rows.some((row) => row[number + 1] !== null && typeof row[number + 1] !== 'string');
      cell.classList.toggle('number', isNumber);
    });
  }

  addRow() {
    made('tr', this.body).setAttribute('role', 'row');
  }

  showRow(node, row, columns) {
    mark(node, 'tone', row[0]);
    count(node, columns.length, () => {
      const isFirst = node.childElementCount === 0;
      const cell = made(isFirst ? 'th' : 'td', node);
      if (isFirst) {
        cell.scope = 'row';
      }
      cell.setAttribute('role', isFirst ? 'rowheader' : 'cell');
    });
    columns.forEach((name, number) => {
      const cell = node.children[number];
      const value = row[number + 1];
      const text = words(value);
      write(cell, text);
      mark(cell, 'label', name);
      cell.classList.toggle('long', LONG_WORD.test(text));
      cell.classList.toggle('number', value !== null && typeof value !== 'string');
    });
  }
}

function stateOf(head) {
  const reasons = head.reasons.join('; ');
  if (!head.connected) {
    return [reasons || `not connected: ${head.summary}`, 'bad'];
  }
  if (!head.ready) {
    return [`Trouble: ${reasons}`, 'bad'];
  }
  if (head.resting.length) {
    return [`What it needs is out, so it rests: ${head.resting.join(', ')}`, 'busy'];
  }
  return [`All is well: ${head.summary}`, 'good'];
}

function showHead() {
  const head = told.get('');
  let text = 'Asking the daemon …';
  let tone = 'busy';
  if (lost && heardAt !== null) {
    text = `No word from the daemon since ${clock(heardAt, true)}: what is shown is of then. It is asked again and again.`;
    tone = 'bad';
  } else if (lost) {
    text = 'The daemon does not answer. It is asked again and again.';
    tone = 'bad';
  } else if (head) {
    [text, tone] = stateOf(head);
  }
  write(place.state, text);
  mark(place.state, 'tone', tone);
  document.body.classList.toggle('stale', lost);
  if (!head) {
    return;
  }
  write(place.rate, head.rate === null ? '' : `${head.rate} events a second`);
  write(place.host, head.host);
  place.hint.hidden = !head.hint;
  write(place.hint.querySelector('pre'), head.hint);
  write(place.heard, `wazo-busd ${head.version}, running since ${clock(new Date(head.since * 1000), false)}`);
}

function showPanels() {
  const keys = order.filter((key) => key !== '' && told.has(key));
  const wanted = new Set(keys);
  for (const [key, view] of shown) {
    if (!wanted.has(key)) {
      view.remove();
      shown.delete(key);
    }
  }
  let before = place.hint;
  for (const key of keys) {
    let view = shown.get(key);
    if (!view) {
      view = new PanelView();
      shown.set(key, view);
      stale.add(key);
    }
    if (stale.has(key)) {
      view.show(told.get(key));
    }
    if (before.nextElementSibling !== view.section) {
      before.after(view.section);
    }
    before = view.section;
  }
  stale = new Set();
}

/** Show it before the next picture, once, however much was told since the last one. */
function plan() {
  if (!isPlanned) {
    isPlanned = true;
    requestAnimationFrame(() => {
      isPlanned = false;
      showHead();
      if (!isHeld) {
        showPanels();
      }
    });
  }
}

function hear() {
  heardAt = new Date();
  lost = false;
  plan();
}

function take(update) {
  order = update.order;
  for (const [key, value] of Object.entries(update.parts)) {
    told.set(key, value);
    stale.add(key);
  }
  const wanted = new Set(order);
  for (const key of told.keys()) {
    if (!wanted.has(key)) {
      told.delete(key);
    }
  }
  hear();
}

function listen() {
  const source = new EventSource('board/updates');
  source.addEventListener('board', (event) => take(JSON.parse(event.data)));
  source.addEventListener('still', hear);
  source.addEventListener('error', () => {
    lost = true;
    plan();
    // A browser tries again by itself when it lost the connection, and not when the answer was a refusal.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(listen, AGAIN_MS);
    }
  });
}

place.hold.addEventListener('click', () => {
  isHeld = !isHeld;
  place.hold.setAttribute('aria-pressed', String(isHeld));
  plan();
});

setInterval(() => {
  if (heardAt !== null && Date.now() - heardAt.getTime() > SILENCE_MS && !lost) {
    lost = true;
    plan();
  }
}, 1000);

heights.observe(place.hint);
listen();
