// Numbers as text.

export function formatCount(number) {
  return Math.round(number).toLocaleString("en");
}

export function formatPercent(fraction, decimals = 1) {
  return `${(100 * fraction).toFixed(decimals)}%`;
}

// Return a loss with three decimals, a huge one with a power of ten: "2.0 × 10¹⁶".
export function formatLoss(loss) {
  if (!(loss >= 1e6 && loss < Infinity)) return loss.toFixed(3);
  const [factor, exponent] = loss.toExponential(1).split("e+");
  return `${factor} × 10${exponent.replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit])}`;
}

export function formatImages(count) {
  return `${formatCount(count)} ${count === 1 ? "image" : "images"}`;
}

export function formatDuration(seconds) {
  const s = Math.max(0, Math.round(seconds)), twoDigits = (number) => String(number).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${twoDigits(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${twoDigits(Math.floor((s % 3600) / 60))} min`;
}

export function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
