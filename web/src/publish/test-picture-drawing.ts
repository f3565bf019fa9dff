// The drawn test picture: colour bars, a clock with milliseconds, a fan that turns, a field of noise. Something in it
// moves in every frame, so that a picture that stands still is seen at once.

type Context = OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D;

const BARS = ['#f4efe6', '#f2c14e', '#5bc0be', '#6fae4f', '#c05299', '#d1495b', '#30638e'];
const FAN = ['#f2a33a', '#ee7b3c', '#e4573d', '#cf3a4c', '#a92a5b'];
const NOISE_CELLS = { columns: 32, rows: 6 };

export function drawTestPicture(context: Context, number: number, time: Date): void {
  const { width, height } = context.canvas;
  const unit = Math.min(height / 100, width / 150);
  drawBars(context, width, height, number);
  const middle = height / 2 - unit * 2;
  drawFan(context, width - unit * 34, middle + unit * 7, unit * 24, number);
  drawNoise(context, width, height, unit);

  context.fillStyle = 'rgb(19 17 22 / 88%)';
  context.beginPath();
  context.roundRect(unit * 8, middle - unit * 15, unit * 74, unit * 30, unit * 4);
  context.fill();
  context.fillStyle = '#fff';
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  context.font = `700 ${unit * 14}px ui-monospace, "DejaVu Sans Mono", monospace`;
  const clock = time.toTimeString().slice(0, 8);
  const milliseconds = String(time.getMilliseconds()).padStart(3, '0');
  context.fillText(clock, unit * 12, middle - unit * 4);
  context.font = `500 ${unit * 6}px ui-monospace, "DejaVu Sans Mono", monospace`;
  context.fillStyle = '#f2a33a';
  context.fillText(`.${milliseconds}   #${number}`, unit * 12, middle + unit * 9);
}

function drawBars(context: Context, width: number, height: number, number: number): void {
  const barWidth = width / BARS.length;
  BARS.forEach((colour, i) => {
    context.fillStyle = colour;
    context.fillRect(i * barWidth, 0, barWidth + 1, height);
  });
  const sweep = ((number * 4) % (width + 80)) - 80;
  context.fillStyle = 'rgb(255 255 255 / 30%)';
  context.fillRect(sweep, 0, 80, height);
}

function drawFan(context: Context, x: number, y: number, radius: number, number: number): void {
  const open = Math.PI * (0.55 + 0.4 * Math.sin(number / 18));
  const blade = open / FAN.length;
  context.fillStyle = 'rgb(19 17 22 / 55%)';
  context.beginPath();
  context.arc(x, y - radius * 0.3, radius * 1.15, 0, Math.PI * 2);
  context.fill();
  FAN.forEach((colour, i) => {
    const from = -Math.PI / 2 - open / 2 + i * blade;
    context.fillStyle = colour;
    context.beginPath();
    context.moveTo(x, y + radius * 0.3);
    context.arc(x, y + radius * 0.3, radius * 1.2, from, from + blade * 0.94);
    context.fill();
  });
}

function drawNoise(context: Context, width: number, height: number, unit: number): void {
  const cellWidth = width / NOISE_CELLS.columns;
  const cellHeight = (unit * 14) / NOISE_CELLS.rows;
  for (let row = 0; row < NOISE_CELLS.rows; row++) {
    for (let column = 0; column < NOISE_CELLS.columns; column++) {
      const grey = Math.floor(Math.random() * 256);
      context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
      context.fillRect(column * cellWidth, height - unit * 14 + row * cellHeight, cellWidth + 1, cellHeight + 1);
    }
  }
}
