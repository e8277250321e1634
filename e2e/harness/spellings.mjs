// The ways in which bytes may be written down, for searching where they must not be.

/** Raw, hex in both cases, and base64 in both alphabets at each of its three alignments. */
export function spellings({ name, bytes }) {
  const hex = bytes.toString("hex");
  const found = [
    { name: `${name} (raw)`, bytes },
    { name: `${name} (hex)`, bytes: Buffer.from(hex) },
    { name: `${name} (HEX)`, bytes: Buffer.from(hex.toUpperCase()) },
  ];
  for (const alphabet of ["base64", "base64url"]) {
    for (let shift = 0; shift < 3; shift++) {
      found.push({ name: `${name} (${alphabet}, shifted ${shift})`, bytes: Buffer.from(inner(bytes, alphabet, shift)) });
    }
  }
  return found;
}

/** A text in UTF-8 and UTF-16, in all spellings. */
export function textSpellings(text) {
  const quoted = JSON.stringify(text);
  return [
    ...spellings({ name: quoted, bytes: Buffer.from(text) }),
    { name: `${quoted} (UTF-16)`, bytes: Buffer.from(text, "utf16le") },
  ];
}

/** The base64 characters that depend on `bytes` alone when `shift` unknown bytes come before them. */
function inner(bytes, alphabet, shift) {
  const whole = Buffer.concat([Buffer.alloc(shift), bytes]);
  const first = Math.ceil((shift * 8) / 6);
  const last = Math.floor((whole.length * 8) / 6);
  return whole.toString(alphabet).slice(first, last);
}
