// Bounds the memory of pictures that are decoded at the same time: each requests its bytes and waits until they are free. Work
// starts in the order of the requests, so that a large picture always gets its turn.

/** A waiting request: its bytes, and the function that wakes it. */
interface Waiting {
  readonly bytes: number
  readonly start: () => void
}

export class MemoryBudget {
  readonly #total: number
  readonly #waiting: Waiting[] = []
  #free: number

  constructor(bytes: number) {
    this.#total = bytes
    this.#free = bytes
  }

  /** Runs `work` when `bytes` are free. Work that needs more than the whole budget runs alone. */
  async run<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const taken = Math.min(bytes, this.#total)
    await new Promise<void>((start) => {
      this.#waiting.push({ bytes: taken, start })
      this.#startNext()
    })
    try {
      return await work()
    } finally {
      this.#free += taken
      this.#startNext()
    }
  }

  #startNext(): void {
    for (
      let next = this.#waiting[0];
      next !== undefined && next.bytes <= this.#free;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift()
      this.#free -= next.bytes
      next.start()
    }
  }
}
