// Any sound that the browser opens → mono samples at one rate → a WAV file of 16 bits.

/** Mono samples of a file at a rate, or null where the browser does not know its form. */
export async function decode(blob, rate) {
  const context = new OfflineAudioContext(1, 1, rate);
  try {
    return mono(await context.decodeAudioData(await blob.arrayBuffer()));
  } catch {
    return null;
  }
}

function mono(buffer) {
  const samples = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const data = buffer.getChannelData(channel);
    for (let i = 0; i < data.length; i++) samples[i] += data[i] / buffer.numberOfChannels;
  }
  return samples;
}

/** The samples as a WAV file. */
export function encode(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const write = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  write(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  write(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  for (let i = 0; i < samples.length; i++) {
    const value = Math.max(-1, Math.min(1, samples[i]));
    view.setInt16(44 + 2 * i, Math.round(value * 32767), true);
  }
  return new Blob([view], { type: "audio/wav" });
}

/** The largest size of each of `count` equal stretches. */
export function peaks(samples, count) {
  const found = new Float32Array(count);
  for (let i = 0; i < samples.length; i++) {
    const place = Math.min(count - 1, Math.floor((i * count) / samples.length));
    found[place] = Math.max(found[place], Math.abs(samples[i]));
  }
  return found;
}
