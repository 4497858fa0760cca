// Which share of the frame counts, counted on a picture of what is drawn, a small one of large frames; what is saved is
// counted by the server, every pixel.

const SIDE = 1000; // its longer side, pixels

export class Share {
  constructor(maskAddress, crop, changed) {
    this.maskAddress = maskAddress;
    this.crop = crop;
    this.changed = changed;
    this.masks = new Map();
    this.canvas = document.createElement("canvas");
  }

  /** 0 to 1; null as long as a mask picture is still on its way. */
  of({ size: [width, height], areas }) {
    const scale = Math.min(1, SIDE / Math.max(width, height));
    this.canvas.width = Math.max(1, Math.round(width * scale));
    this.canvas.height = Math.max(1, Math.round(height * scale));
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    const across = this.canvas.width / width;
    const down = this.canvas.height / height;
    context.fillStyle = areas.some((one) => one.kind === "include") ? "#fff" : "#000"; // as the page's own mask: black counts
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.scale(across, down);
    context.lineWidth = 1; // pixels under an edge belong to the area
    for (const kind of ["include", "exclude"]) {
      context.fillStyle = kind === "include" ? "#000" : "#fff";
      context.strokeStyle = context.fillStyle;
      for (const area of areas.filter((one) => one.kind === kind)) {
        if (area.mask) {
          const picture = this.mask(area);
          if (!picture.complete) return null;
          if (picture.naturalWidth) context.drawImage(picture, 0, 0, width, height);
        } else {
          context.beginPath();
          for (const [x, y] of area.corners) context.lineTo(x + 0.5, y + 0.5);
          context.closePath();
          context.fill();
          context.stroke();
        }
      }
    }
    const { data } = context.getImageData(0, 0, this.canvas.width, this.canvas.height);
    const [left, top, right, below] = this.cropped(across, down);
    let counts = 0;
    for (let y = top; y < below; y++) {
      for (let x = left; x < right; x++) counts += 255 - data[4 * (y * this.canvas.width + x)];
    }
    return counts / 255 / (this.canvas.width * this.canvas.height);
  }

  /** What a crop leaves of the small picture. */
  cropped(across, down) {
    if (!this.crop) return [0, 0, this.canvas.width, this.canvas.height];
    const [x, y, width, height] = this.crop;
    return [x * across, y * down, Math.min(this.canvas.width, (x + width) * across), Math.min(this.canvas.height, (y + height) * down)].map(Math.round);
  }

  mask(area) {
    const address = this.maskAddress(area);
    if (!this.masks.has(address)) {
      const picture = new Image();
      picture.addEventListener("load", this.changed);
      picture.src = address;
      this.masks.set(address, picture);
    }
    return this.masks.get(address);
  }
}
