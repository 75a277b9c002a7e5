use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const PING: [u8; 17] = *b"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678";
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Both ends of a connection that holds everything that is written.
fn connection() -> (DuplexStream, Calm<DuplexStream>) {
    let (far, near) = duplex(1 << 20);
    (far, Calm::new(near))
}

async fn all(calm: &mut Calm<DuplexStream>) -> io::Result<Vec<u8>> {
    let mut seen = Vec::new();
    calm.read_to_end(&mut seen).await?;
    Ok(seen)
}

#[tokio::test]
async fn bytes_pass_as_they_are_however_they_are_cut() {
    let sent = [PREFACE, &SETTINGS, &PING, &PING].concat();
    for cut in 0..=sent.len() {
        let (mut far, mut calm) = connection();
        let mut seen = Vec::new();
        for piece in [&sent[..cut], &sent[cut..]] {
            far.write_all(piece).await.unwrap();
            let mut buffer = vec![0; piece.len()];
            calm.read_exact(&mut buffer).await.unwrap();
            seen.extend(buffer);
        }
        assert_eq!(seen, sent);
        assert!(matches!(calm.spoken, Spoken::Http2(_)), "cut at {cut}");
    }
}

#[tokio::test]
async fn what_does_not_begin_as_http2_is_not_looked_at() {
    for opening in ["GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nXX", "\0", "P"] {
        let (mut far, mut calm) = connection();
        // One byte at a time, and what would be a flood behind it.
        let sent = [opening.as_bytes(), &SETTINGS.repeat(20_000)].concat();
        far.write_all(&sent).await.unwrap();
        drop(far);
        let mut first = [0];
        calm.read_exact(&mut first).await.unwrap();
        let rest = all(&mut calm).await.unwrap();
        assert_eq!([&first[..], &rest].concat(), sent);
        assert!(matches!(calm.spoken, Spoken::Other));
    }
}

/// The bytes that are read at once, whatever the buffer would hold.
async fn at_once(calm: &mut Calm<DuplexStream>) -> usize {
    let mut room = vec![0; 1 << 16];
    let mut buffer = ReadBuf::new(&mut room);
    std::future::poll_fn(|context| {
        while Pin::new(&mut *calm)
            .poll_read(context, &mut buffer)
            .is_ready()
        {}
        Poll::Ready(())
    })
    .await;
    buffer.filled().len()
}

#[tokio::test]
async fn a_flood_is_held_back_at_the_frame_that_is_too_much() {
    let (mut far, mut calm) = connection();
    far.write_all(PREFACE).await.unwrap();
    calm.read_exact(&mut [0; 24]).await.unwrap();
    far.write_all(&SETTINGS.repeat(1_000)).await.unwrap();
    let frames = at_once(&mut calm).await / SETTINGS.len();
    // The first one too many; on a slow machine a few that time has brought meanwhile.
    assert!((201..400).contains(&frames), "{frames}");
}

#[tokio::test]
async fn frames_that_are_sent_count_however_they_are_written() {
    let (mut far, mut calm) = connection();
    far.write_all(PREFACE).await.unwrap();
    calm.read_exact(&mut [0; 24]).await.unwrap();
    let data = [&[0, 0, 4, 0, 0, 0, 0, 0, 1][..], b"four"].concat();
    let many = data.repeat(100);
    let (first, second) = many.split_at(501);
    let pieces = [IoSlice::new(first), IoSlice::new(second)];
    assert_eq!(calm.write_vectored(&pieces).await.unwrap(), many.len());
    calm.write_all(&data).await.unwrap();
    // What 101 frames pay for, and what may come without.
    far.write_all(&PING.repeat(1_210)).await.unwrap();
    calm.read_exact(&mut [0; 17 * 1_210]).await.unwrap();
    let Spoken::Http2(watch) = &calm.spoken else {
        panic!("HTTP/2 is not seen");
    };
    assert!(watch.pause.is_none());
    far.write_all(&PING.repeat(300)).await.unwrap();
    assert!(at_once(&mut calm).await < 300 * PING.len());
    assert!(matches!(&calm.spoken, Spoken::Http2(watch) if watch.pause.is_some()));
}

/// How long it takes to close a connection on which these frames came last.
async fn closing(frames: &[u8]) -> std::time::Duration {
    let (mut far, mut calm) = connection();
    let sent = [PREFACE, &SETTINGS, frames].concat();
    far.write_all(&sent).await.unwrap();
    calm.read_exact(&mut vec![0; sent.len()]).await.unwrap();
    let began = Instant::now();
    calm.shutdown().await.unwrap();
    // And once more, as who drops it may.
    calm.shutdown().await.unwrap();
    began.elapsed()
}

#[tokio::test]
async fn who_is_in_a_head_without_an_end_is_kept_a_moment_before_the_connection_closes() {
    let head = *b"\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82";
    let more = *b"\x00\x00\x01\x09\x00\x00\x00\x00\x01\x84";
    let kept = closing(&[&head[..], &more, &more].concat()).await;
    assert!(kept >= PAUSE, "{kept:?}");
    for frames in [&head[..], &PING, &[]] {
        assert!(closing(frames).await < PAUSE / 2);
    }
}
