import asyncio, json, os, sys, wave
import aio_pika


async def main(path: str, stream_id: str) -> None:
    url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost/")
    async with await aio_pika.connect(url) as connection:
        exchange = await (await connection.channel()).get_exchange("speechmq.in")

        async def send(key: str, kind: str, body: bytes, seq: int | None = None) -> None:
            headers = {} if seq is None else {"seq": seq}
            await exchange.publish(aio_pika.Message(body, type=kind, headers=headers), key)

        with wave.open(path) as wav:  # 16 bit, mono
            rate, seq = wav.getframerate(), 1
            audio_format = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": rate}
            config = {"language": "en", "enable_partials": True}
            start = {"stream_id": stream_id, "audio_format": audio_format, "transcription_config": config}
            await send("start", "StartStream", json.dumps(start).encode())
            while audio := wav.readframes(rate // 10):
                await send(f"stream.{stream_id}", "AudioChunk", audio, seq)
                seq += 1
                await asyncio.sleep(0.1)  # a live source needs no sleep
            await send(f"stream.{stream_id}", "EndStream", b"{}", seq)


asyncio.run(main(*sys.argv[1:]))
