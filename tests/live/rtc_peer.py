"""aiortc as a WHIP publisher or a WHEP viewer. Says what it saw as one line of JSON.

    python rtc_peer.py publish URL --codec H264    (until its input ends)
    python rtc_peer.py watch URL --pictures 20
"""

import argparse
import asyncio
import json
import sys
import time
from datetime import datetime, timedelta, timezone

import aiohttp
from aiortc import RTCCertificate, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa


def rsa_certificate():
    """A certificate as GStreamer's: of an RSA key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rsa")])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return RTCCertificate(key, builder.sign(key, hashes.SHA256()))


async def negotiate(http, url, connection, token=None):
    """Posts the offer, follows the answer, and returns where the session is."""
    await connection.setLocalDescription(await connection.createOffer())
    headers = {"Content-Type": "application/sdp"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    async with http.post(url, data=connection.localDescription.sdp, headers=headers) as answer:
        text = await answer.text()
        if answer.status != 201:
            raise SystemExit(f"{answer.status}: {text}")
        location = str(answer.url.join(type(answer.url)(answer.headers["Location"])))
    await connection.setRemoteDescription(RTCSessionDescription(text, "answer"))
    return location


async def publish(http, args):
    """A green picture and silence, until our input ends."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    video = connection.addTransceiver(VideoStreamTrack(), direction="sendonly")
    connection.addTransceiver(AudioStreamTrack(), direction="sendonly")
    wanted = f"video/{args.codec}".lower()
    codecs = RTCRtpSender.getCapabilities("video").codecs
    video.setCodecPreferences([codec for codec in codecs if codec.mimeType.lower() in (wanted, "video/rtx")])
    location = await negotiate(http, args.url, connection, args.token)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    async with http.delete(location) as answer:
        status = answer.status
    await connection.close()
    return {"deleted": status}


async def watch(http, args):
    """Decodes so many pictures, and hears some sound beside them: waits for it where it is said that there is some."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    video = connection.addTransceiver("video", direction="recvonly").receiver
    audio = connection.addTransceiver("audio", direction="recvonly").receiver
    heard = 0
    has_heard = asyncio.Event()

    async def listen():
        nonlocal heard
        try:
            while True:
                await audio.track.recv()
                heard += 1
                has_heard.set()
        except MediaStreamError:
            pass

    begun = time.monotonic()
    location = await negotiate(http, args.url, connection)
    listening = asyncio.create_task(listen())
    first, size = None, None
    for _ in range(args.pictures):
        frame = await video.track.recv()
        first = first or (time.monotonic() - begun) * 1000
        size = [frame.width, frame.height]
    if args.sound:
        await has_heard.wait()
    stats = (await video.getStats()).values()
    lost = sum(one.packetsLost for one in stats if one.type == "inbound-rtp")
    async with http.delete(location) as answer:
        status = answer.status
    await connection.close()
    listening.cancel()
    return {"first": first, "size": size, "lost": lost, "sound": heard, "deleted": status}


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["publish", "watch"])
    parser.add_argument("url")
    parser.add_argument("--codec", default="VP8")
    parser.add_argument("--token", default="aiortc")
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--rsa", action="store_true")
    parser.add_argument("--sound", action="store_true")
    args = parser.parse_args()
    if args.rsa:
        RTCCertificate.generateCertificate = rsa_certificate
    async with aiohttp.ClientSession() as http:
        act = publish if args.what == "publish" else watch
        print(json.dumps(await act(http, args)), flush=True)


asyncio.run(main())
