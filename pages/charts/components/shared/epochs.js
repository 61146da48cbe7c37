// Steps as epochs: epoch n ends at n, as in the metrics beside the curves. history: of a run (see live.js).

const FEW = 10; // epochs up to which each has a tick; within the first one, fractions have

export function toEpochs(steps, { stepsPerEpoch }) {
  return steps.map((step) => step / stepsPerEpoch);
}

// Return an axis of epochs whose ticks are whole epochs.
export function epochAxis(axis, { step, stepsPerEpoch }) {
  const epochs = step / stepsPerEpoch;
  return epochs >= 1 && epochs <= FEW ? { ...axis, tick0: 0, dtick: 1 } : axis;
}
