// Somebody else's site, and the name server of its domain, which can be told to give another address for it.
// usage: node e2e/mallory.mjs ADDRESS PORT [OTHER]   OTHER is what names resolve to once /turn was asked for.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';

const [address, port, other] = process.argv.slice(2);
let face = address;

const site = createServer((request, response) => {
  if (request.url === '/turn') {
    face = other;
  }
  response.writeHead(200, { 'content-type': 'text/html', 'x-site': 'mallory', connection: 'close' });
  response.end('<!doctype html><title>Kittens</title>');
});
await new Promise((listening) => site.listen(Number(port), address, listening));

if (other !== undefined) {
  const names = createSocket('udp4');
  names.on('message', (query, asker) => names.send(answer(query), asker.port, asker.address));
  await new Promise((bound) => names.bind(53, address, bound));
}
console.log('ready');

/** The present address for whatever name is asked for (RFC 1035 §4), to be kept for a second; nothing of other types. */
function answer(query) {
  const HEADER = 12;
  const ADDRESS = 1;
  const end = query.indexOf(0, HEADER) + 5;
  const isAddress = query.readUInt16BE(end - 4) === ADDRESS;
  const header = Buffer.from([query[0], query[1], 0x81, 0x80, 0, 1, 0, Number(isAddress), 0, 0, 0, 0]);
  const record = [0xc0, HEADER, 0, ADDRESS, 0, 1, 0, 0, 0, 1, 0, 4, ...face.split('.').map(Number)];
  return Buffer.concat([header, query.subarray(HEADER, end), Buffer.from(isAddress ? record : [])]);
}
