// One session by the official client: node session.mjs OPTIONS, a JSON object:
//   url, key       the server, and a key that opens it; or keysUrl and apiKey to ask for one
//   audio          path of raw pcm_s16le samples, 16 kHz
//   hasty          stop without waiting for the last AudioAdded
//   force, speakers, update    what to ask for behind the last audio
//   config         all that StartRecognition has beside the audio format
// Prints the messages heard, as one JSON array.
import { readFileSync } from "node:fs";
import { createSpeechmaticsJWT } from "@speechmatics/auth";
import { RealtimeClient } from "@speechmatics/real-time-client";

const CHUNK_BYTES = 3200;

const options = JSON.parse(process.argv[2]);
const audio = readFileSync(options.audio);
const heard = [];
const client = new RealtimeClient({ url: options.url, appId: "speechmq", connectionTimeout: 30_000 });
client.addEventListener("receiveMessage", ({ data }) => heard.push(data));

function closed() {
  return new Promise((resolve) => {
    client.addEventListener("socketStateChange", ({ socketState }) => {
      if (socketState === "closed") resolve();
    });
  });
}

function acknowledged(seqNo) {
  const isIt = (message) => message.message === "AudioAdded" && message.seq_no === seqNo;
  if (heard.some(isIt)) return Promise.resolve();
  return new Promise((resolve) => {
    client.addEventListener("receiveMessage", ({ data }) => isIt(data) && resolve());
  });
}

const key =
  options.key ??
  (await createSpeechmaticsJWT({
    type: "rt",
    apiKey: options.apiKey,
    ttl: 60,
    clientRef: "a client",
    managementPlatformURL: options.keysUrl,
  }));
const over = closed();
await client.start(key, {
  audio_format: { type: "raw", encoding: "pcm_s16le", sample_rate: 16000 },
  ...options.config,
});
let chunks = 0;
for (let at = 0; at < audio.length; at += CHUNK_BYTES, chunks += 1) {
  client.sendAudio(audio.subarray(at, at + CHUNK_BYTES));
}
if (!options.hasty) await acknowledged(chunks);
if (options.update) client.setRecognitionConfig(options.update);
if (options.force) client.forceEndOfUtterance();
if (options.speakers) await client.getSpeakers({ timeout: 30_000 });
await Promise.race([client.stopRecognition(), over]);
process.stdout.write(JSON.stringify(heard), () => process.exit(0));
