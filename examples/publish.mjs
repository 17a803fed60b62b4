import amqp from "amqplib";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const [path, streamId] = process.argv.slice(2);
const wav = readFileSync(path); // 16 bit, mono, with the usual 44 bytes of header
const rate = wav.readUInt32LE(24);
const connection = await amqp.connect(process.env.AMQP_URL ?? "amqp://guest:guest@localhost/");
const channel = await connection.createConfirmChannel();
const send = (key, type, body, headers = {}) => channel.publish("speechmq.in", key, body, { type, headers });

send("start", "StartStream", Buffer.from(JSON.stringify({
  stream_id: streamId,
  audio_format: { type: "raw", encoding: "pcm_s16le", sample_rate: rate },
  transcription_config: { language: "en", enable_partials: true },
})));
let seq = 1;
for (let at = 44, step = (rate / 10) * 2; at < wav.length; at += step) {
  send(`stream.${streamId}`, "AudioChunk", wav.subarray(at, at + step), { seq: seq++ });
  await sleep(100); // a live source needs no sleep
}
send(`stream.${streamId}`, "EndStream", Buffer.from("{}"), { seq });
await channel.waitForConfirms();
await connection.close();
