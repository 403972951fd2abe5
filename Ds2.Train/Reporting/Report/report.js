'use strict';
{
  const data = JSON.parse(document.getElementById('data').textContent);
  const { batches, epochs } = data;
  const beam = epochs.beamWer.some(wer => wer !== null) ? [line('beam WER', epochs, 'beamWer', 'd', 2)] : [];
  const charts = [
    { title: 'Loss, nats an utterance', log: true, series: [line('batches', batches, 'loss', 'a', 1), line('epochs', epochs, 'loss', 'b', 2), line('validation', epochs, 'validationLoss', 'c', 2)] },
    {
      title: 'Loss, nats a label', log: true,
      series: [line('batches', batches, 'lossPerLabel', 'a', 1), line('epochs', epochs, 'lossPerLabel', 'b', 2), line('validation', epochs, 'validationLossPerLabel', 'c', 2)],
    },
    {
      title: 'Error rates on the validation set, %', target: data.target,
      series: [line('WER', epochs, 'wer', 'a', 2), line('utterance WER', epochs, 'werUtterance', 'b', 1), line('CER', epochs, 'cer', 'c', 1), ...beam],
    },
    { title: 'Gradient norm before clipping', log: true, series: [line('batches', batches, 'norm', 'a', 1)] },
    { title: 'Learning rate', series: [line('learning rate', batches, 'rate', 'a', 2)] },
    { title: 'Throughput, seconds of audio a second', series: [line('batches', batches, 'speed', 'a', 1)] },
    {
      title: 'Time of each epoch by phase, s', stacked: true,
      series: [line('compute', epochs, 'compute', 'a'), line('load', epochs, 'load', 'b'), line('evaluation', epochs, 'evaluation', 'c')],
    },
  ];
  const last = Math.max(1, ...batches.x, ...epochs.x);
  const margin = { left: 52, right: 10, top: 8, bottom: 22 }, height = 220;

  function line(name, source, key, colour, width) {
    return { name, x: source.x, y: source[key], colour: `var(--${colour})`, width };
  }

  const number = value => value == null ? '–' : Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-3) ? value.toExponential(2).replace(/\.?0+e/, 'e') : String(+value.toPrecision(4));

  // Round steps, about as many as asked for.
  function ticks(from, to, count) {
    const raw = (to - from) / count || 1, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map(factor => factor * power).find(candidate => candidate >= raw);
    const values = [];
    for (let i = Math.ceil(from / step); i * step <= to + step * 1e-6; i++) values.push(i * step);
    return values;
  }

  function powers(from, to) {
    const all = [];
    for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++)
      for (const factor of [1, 2, 5]) all.push(factor * 10 ** power);
    const inside = all.filter(value => value >= from && value <= to);
    if (inside.length < 3) return ticks(from, to, 4);
    return inside.length > 6 ? inside.filter(value => Number.isInteger(Math.round(Math.log10(value) * 1e6) / 1e6)) : inside;
  }

  // Where values go: the domain, and the map from it to pixels.
  function scaleOf(chart) {
    let values = chart.stacked
      ? epochs.x.map((_, i) => chart.series.reduce((sum, series) => sum + (series.y[i] ?? 0), 0))
      : chart.series.flatMap(series => series.y).filter(value => value != null);
    if (chart.target > 0) values.push(chart.target);
    const inner = height - margin.top - margin.bottom;
    if (chart.log) {
      values = values.filter(value => value > 0);
      const from = values.length ? Math.min(...values) / 1.1 : 1, to = values.length ? Math.max(...values) * 1.1 : 10;
      const span = Math.log(to / from);
      return { ticks: powers(from, to), map: value => value > 0 ? margin.top + inner * (1 - Math.log(value / from) / span) : null };
    }
    const to = Math.max(...values, 0) * 1.05 || 1;
    return { ticks: ticks(0, to, 5), map: value => margin.top + inner * (1 - value / to) };
  }

  function path(series, x, y) {
    let text = '', pen = false;
    series.x.forEach((at, i) => {
      const value = series.y[i] == null ? null : y(series.y[i]);
      if (value != null) text += `${pen ? 'L' : 'M'}${x(at).toFixed(1)} ${value.toFixed(1)}`;
      pen = value != null;
    });
    const dots = series.x.length <= 30
      ? series.x.map((at, i) => series.y[i] == null || y(series.y[i]) == null ? '' : `<circle cx="${x(at)}" cy="${y(series.y[i])}" r="2.5" fill="${series.colour}"/>`).join('')
      : '';
    return `<path d="${text}" fill="none" stroke="${series.colour}" stroke-width="${series.width}"/>${dots}`;
  }

  function bars(chart, x, y) {
    return epochs.x.map((epoch, i) => {
      let below = 0;
      return chart.series.map(series => {
        const from = below, left = x(epoch - 1), width = Math.max((x(epoch) - left) * 0.85, 0.5);
        below += series.y[i] ?? 0;
        return `<rect x="${left}" y="${y(below)}" width="${width}" height="${Math.max(y(from) - y(below), 0)}" fill="${series.colour}"/>`;
      }).join('');
    }).join('');
  }

  function draw(chart) {
    const width = chart.plot.clientWidth, inner = width - margin.left - margin.right;
    const x = at => margin.left + inner * at / last, y = scaleOf(chart);
    chart.at = pixel => (pixel - margin.left) / inner * last;
    chart.x = x;
    const grid = y.ticks.map(value => `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${y.map(value)}" y2="${y.map(value)}"/>`
      + `<text x="${margin.left - 6}" y="${y.map(value) + 4}" text-anchor="end">${number(value)}</text>`).join('');
    const labels = ticks(0, last, Math.max(2, Math.min(8, inner / 60)))
      .map(value => `<text x="${x(value)}" y="${height - 5}" text-anchor="middle">${number(value)}</text>`).join('')
      + `<text x="${margin.left - 14}" y="${height - 5}" text-anchor="end">epoch</text>`;
    const target = chart.target > 0
      ? `<line x1="${margin.left}" x2="${width - margin.right}" y1="${y.map(chart.target)}" y2="${y.map(chart.target)}" stroke="var(--quiet)" stroke-dasharray="6 4"/>` : '';
    chart.plot.innerHTML = `<svg height="${height}" role="img" aria-label="${chart.title}, by epoch">${grid}${labels}${target}`
      + (chart.stacked ? bars(chart, x, y.map) : chart.series.map(series => path(series, x, y.map)).join(''))
      + `<line class="cursor" y1="${margin.top}" y2="${height - margin.bottom}" visibility="hidden"/></svg>`;
  }

  // The values at an epoch, or the last ones.
  function read(chart, at) {
    const cursor = chart.plot.querySelector('.cursor');
    cursor.setAttribute('visibility', at == null ? 'hidden' : 'visible');
    if (at != null) for (const end of ['x1', 'x2']) cursor.setAttribute(end, chart.x(at));
    const texts = chart.series.map(series => {
      let i = series.x.length - 1;
      if (at != null && chart.stacked) i = Math.min(i, Math.floor(at));
      else if (at != null) i = series.x.reduce((nearest, value, j) => Math.abs(value - at) < Math.abs(series.x[nearest] - at) ? j : nearest, 0);
      return `<span><i style="background:${series.colour}"></i>${series.name} ${number(series.y[i])}</span>`;
    });
    const target = chart.target > 0 ? `<span>target ${number(chart.target)}</span>` : '';
    chart.legend.innerHTML = texts.join('') + target;
    chart.place.textContent = at == null ? '' : `epoch ${at.toFixed(2)}`;
  }

  const readAll = at => charts.forEach(chart => read(chart, at));
  const container = document.getElementById('charts');
  for (const chart of charts) {
    const box = document.createElement('div');
    box.className = 'chart';
    box.innerHTML = `<div class="head"><h3>${chart.title}</h3><small></small></div><div class="legend"></div><div class="plot"></div>`;
    [chart.place, chart.legend, chart.plot] = ['small', '.legend', '.plot'].map(part => box.querySelector(part));
    if (chart.log != null) {
      const button = document.createElement('button');
      button.textContent = 'log';
      button.setAttribute('aria-pressed', chart.log);
      button.onclick = () => {
        chart.log = !chart.log;
        button.setAttribute('aria-pressed', chart.log);
        draw(chart);
        read(chart, null);
      };
      box.querySelector('.head').append(button);
    }
    // One cursor for all plots: they share the epochs.
    chart.plot.addEventListener('pointermove', event => {
      const at = chart.at(event.clientX - chart.plot.getBoundingClientRect().left);
      readAll(at >= 0 && at <= last ? at : null);
    });
    chart.plot.addEventListener('pointerleave', () => readAll(null));
    container.append(box);
  }
  let drawnWidth = 0;
  const drawAll = () => {
    if (container.clientWidth === drawnWidth) return;
    drawnWidth = container.clientWidth;
    charts.forEach(draw);
    readAll(null);
  };
  drawAll();
  // In a frame of its own: what is drawn changes the height, and must not call the observer from within itself.
  new ResizeObserver(() => requestAnimationFrame(drawAll)).observe(container);
}
