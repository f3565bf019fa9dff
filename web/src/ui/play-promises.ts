// The promises of `play()`, kept as media elements keep them: they are fulfilled when the picture moves, and rejected when
// it is stopped before or cannot be played.

export class PlayPromises {
  #waiting: { resolve: () => void; reject: (error: DOMException) => void }[] = [];

  ask(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  begun(): void {
    for (const { resolve } of this.#take()) resolve();
  }

  stopped(): void {
    this.#reject('AbortError', 'stopped before it began to play');
  }

  failed(why: string): void {
    this.#reject('NotSupportedError', why);
  }

  #reject(name: 'AbortError' | 'NotSupportedError', message: string): void {
    for (const { reject } of this.#take()) reject(new DOMException(message, name));
  }

  #take() {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }
}
