import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import java.io.File;
import java.util.Map;
import javax.sound.sampled.AudioInputStream;
import javax.sound.sampled.AudioSystem;

public class Publish {
    static Channel channel;

    static void send(String key, String type, byte[] body, Map<String, Object> headers) throws Exception {
        channel.basicPublish("speechmq.in", key,
            new BasicProperties.Builder().type(type).headers(headers).deliveryMode(2).build(), body);
    }

    public static void main(String[] args) throws Exception {
        String path = args[0], streamId = args[1], key = "stream." + streamId;
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(System.getenv().getOrDefault("AMQP_URL", "amqp://guest:guest@localhost"));
        try (Connection connection = factory.newConnection();
                AudioInputStream wav = AudioSystem.getAudioInputStream(new File(path))) { // 16 bit, mono
            channel = connection.createChannel();
            channel.confirmSelect();
            int rate = (int) wav.getFormat().getSampleRate();
            send("start", "StartStream", String.format("""
                {"stream_id": "%s",
                 "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": %d},
                 "transcription_config": {"language": "en", "enable_partials": true}}
                """, streamId, rate).getBytes("UTF-8"), Map.of());
            long seq = 1;
            for (byte[] audio; (audio = wav.readNBytes(rate / 10 * 2)).length > 0; seq++) {
                send(key, "AudioChunk", audio, Map.of("seq", seq));
                Thread.sleep(100); // a live source needs no sleep
            }
            send(key, "EndStream", "{}".getBytes("UTF-8"), Map.of("seq", seq));
            channel.waitForConfirmsOrDie(30_000);
        }
    }
}
