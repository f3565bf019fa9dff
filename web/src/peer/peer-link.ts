// One connection from peer to peer, as both ends need it: candidates that come before the description wait for it, and a
// candidate that is none is nobody's problem.

/** More candidates than this before a description are nonsense, and left out. */
const WAITING_MAX = 64;

export interface PeerLinkHost {
  candidate(candidate: RTCIceCandidateInit): void;
  /** It is there now, or is not any more. */
  state(state: RTCPeerConnectionState): void;
}

export class PeerLink {
  readonly connection: RTCPeerConnection;
  readonly #waiting: RTCIceCandidateInit[] = [];

  constructor(iceServers: RTCIceServer[], host: PeerLinkHost) {
    this.connection = new RTCPeerConnection({ iceServers });
    this.connection.onicecandidate = ({ candidate }) => {
      if (candidate) host.candidate(candidate.toJSON());
    };
    this.connection.onconnectionstatechange = () => host.state(this.connection.connectionState);
  }

  /** Describes what this end sends. */
  async offer(): Promise<RTCSessionDescriptionInit> {
    await this.connection.setLocalDescription();
    return this.#described();
  }

  /** Answers the other end's description. */
  async answer(offer: RTCSessionDescriptionInit): Promise<RTCSessionDescriptionInit> {
    await this.accept(offer);
    await this.connection.setLocalDescription();
    return this.#described();
  }

  async accept(description: RTCSessionDescriptionInit): Promise<void> {
    await this.connection.setRemoteDescription(description);
    await Promise.all(this.#waiting.splice(0).map((candidate) => this.#add(candidate)));
  }

  /** Takes a candidate of the other end, whenever it comes. */
  async add(candidate: RTCIceCandidateInit): Promise<void> {
    if (this.connection.remoteDescription) await this.#add(candidate);
    else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(candidate);
  }

  close(): void {
    this.connection.onicecandidate = null;
    this.connection.onconnectionstatechange = null;
    this.connection.ontrack = null;
    this.connection.close();
  }

  async #add(candidate: RTCIceCandidateInit): Promise<void> {
    // Of an older description, or of a kind that this browser does not know: another one will do.
    await this.connection.addIceCandidate(candidate).catch(() => {});
  }

  #described(): RTCSessionDescriptionInit {
    const { localDescription } = this.connection;
    if (!localDescription) throw new DOMException('the connection is closed', 'InvalidStateError');
    return { type: localDescription.type, sdp: localDescription.sdp };
  }
}
