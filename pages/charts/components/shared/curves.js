// Curves in the browser: a bounded number of points each, and their running mean. A curve is { x: […], y: […] }, x ascending.

export const MAX_POINTS = 1200; // of a drawn curve, about two for each pixel; a longer curve is reduced to half of this
const SMOOTHED_EPOCHS = 0.1, FEWEST_STEPS = 5, MOST_STEPS = 50; // window of the live chart's smoothed curves

// Add points to the end of a curve.
export function append(curve, { x, y }) {
  curve.x.push(...x);
  curve.y.push(...y);
  if (curve.x.length > MAX_POINTS) [curve.x, curve.y] = decimate(curve.x, curve.y, MAX_POINTS / 2);
}

// Return the lowest and the highest point of each of limit/2 equal intervals of x, in order: the same envelope with fewer points. The
// server's `decimate` returns the same points.
export function decimate(x, y, limit) {
  const low = x[0], width = (x[x.length - 1] - low + 1) / (limit / 2);
  const chosen = [];
  for (let from = 0, to; from < x.length; from = to) {
    const interval = Math.floor((x[from] - low) / width);
    let lowest = from, highest = from;
    for (to = from + 1; to < x.length && Math.floor((x[to] - low) / width) === interval; to++) {
      if (y[to] < y[lowest]) lowest = to;
      if (y[to] > y[highest]) highest = to;
    }
    chosen.push(Math.min(lowest, highest));
    if (lowest !== highest) chosen.push(Math.max(lowest, highest));
  }
  return [chosen.map((i) => x[i]), chosen.map((i) => y[i])];
}

// An exponential moving average without a bias towards zero at the start: each value weighs `factor` times as much as the next one.
export class RunningMean {
  constructor(factor) {
    Object.assign(this, { factor, sum: 0, weight: 0 });
  }

  // Add a value that stands for `count` equal ones. Return the mean so far.
  add(value, count = 1) {
    const decay = this.factor ** count, weight = (1 - decay) / (1 - this.factor);
    this.sum = this.sum * decay + value * weight;
    this.weight = this.weight * decay + weight;
    return this.sum / this.weight;
  }
}

// Return the running mean of all values.
export function smooth(values, factor) {
  const mean = new RunningMean(factor);
  return values.map((value) => mean.add(value));
}

// Return the factor with which a running mean averages over about a tenth of an epoch, within limits.
export function smoothingFactor(stepsPerEpoch) {
  return 1 - 1 / Math.min(MOST_STEPS, Math.max(FEWEST_STEPS, SMOOTHED_EPOCHS * stepsPerEpoch));
}

// A running mean over training steps, as points come. `add` takes points, of which each is the mean of all steps since the one before it.
export class StepMean {
  constructor(stepsPerEpoch) {
    Object.assign(this, { mean: new RunningMean(smoothingFactor(stepsPerEpoch)), step: 0 });
  }

  // Return the running mean at these points, as a curve.
  add({ x, y }) {
    const means = x.map((step, at) => {
      const count = step - this.step;
      this.step = step;
      return this.mean.add(y[at], count);
    });
    return { x, y: means };
  }
}
