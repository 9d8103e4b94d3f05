const LONGEST = 1024, SIDE = 512, PAINT = '#e69f00';
const find = name => element.querySelector(name);
const easel = find('.easel'), image = find('img'), canvas = find('canvas'), tools = find('.tools'), said = find('.note');
const pen = canvas.getContext('2d');
let own = '', last = null, painted = false, wanted = '';
const tell = () => {
  let mask = '';
  if (painted) {
    const copy = document.createElement('canvas'), brush = copy.getContext('2d');
    copy.width = canvas.width; copy.height = canvas.height;
    brush.drawImage(canvas, 0, 0);
    brush.globalCompositeOperation = 'source-in'; brush.fillStyle = 'white'; brush.fillRect(0, 0, copy.width, copy.height);
    brush.globalCompositeOperation = 'destination-over'; brush.fillStyle = 'black'; brush.fillRect(0, 0, copy.width, copy.height);
    mask = copy.toDataURL();
  }
  said.textContent = painted ? 'What is painted will be drawn anew.' : 'All of the picture may change.';
  own = JSON.stringify({picture: image.getAttribute('src'), mask});
  props.value = own;
};
const show = ({picture: source, mask}) => {
  wanted = mask || '';
  const there = Boolean(source);
  easel.hidden = tools.hidden = !there; find('.drop').hidden = there; painted = false;
  if (there) image.src = source; else { image.removeAttribute('src'); said.textContent = ''; }
};
const paint = async mask => {
  const white = new Image(), copy = document.createElement('canvas'), brush = copy.getContext('2d');
  white.src = mask; await white.decode();
  copy.width = canvas.width; copy.height = canvas.height;
  brush.drawImage(white, 0, 0, copy.width, copy.height);
  const area = brush.getImageData(0, 0, copy.width, copy.height);
  for (let at = 0; at < area.data.length; at += 4) area.data[at + 3] = area.data[at];
  brush.putImageData(area, 0, 0);
  brush.globalCompositeOperation = 'source-in'; brush.fillStyle = PAINT; brush.fillRect(0, 0, copy.width, copy.height);
  pen.drawImage(copy, 0, 0); painted = true;
};
image.onload = async () => {
  const scale = SIDE / Math.max(image.naturalWidth, image.naturalHeight);
  canvas.width = image.naturalWidth * scale; canvas.height = image.naturalHeight * scale;
  easel.style.aspectRatio = canvas.width + ' / ' + canvas.height;
  if (wanted) await paint(wanted);
  tell();
};
const load = async file => {
  try {
    const bitmap = await createImageBitmap(file), scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
    const copy = document.createElement('canvas');
    copy.width = Math.max(1, bitmap.width * scale); copy.height = Math.max(1, bitmap.height * scale);
    const brush = copy.getContext('2d');
    brush.fillStyle = 'white'; brush.fillRect(0, 0, copy.width, copy.height);
    brush.drawImage(bitmap, 0, 0, copy.width, copy.height);
    show({picture: copy.toDataURL()});
  } catch { said.textContent = 'This is not a picture that can be opened: try a PNG or a JPEG.'; }
};
const at = event => {
  const area = canvas.getBoundingClientRect();
  return [(event.clientX - area.left) * canvas.width / area.width, (event.clientY - area.top) * canvas.height / area.height];
};
const stroke = to => {
  pen.strokeStyle = PAINT; pen.lineCap = 'round'; pen.lineJoin = 'round';
  pen.lineWidth = find('.tools input').value / 100 * canvas.width;
  pen.beginPath(); pen.moveTo(...last); pen.lineTo(...to); pen.stroke();
  last = to; painted = true;
};
canvas.onpointerdown = event => { canvas.setPointerCapture(event.pointerId); last = at(event); stroke(last); };
canvas.onpointermove = event => { if (last) stroke(at(event)); };
canvas.onpointerup = canvas.onpointercancel = () => { if (last) { last = null; tell(); } };
element.addEventListener('change', event => { if (event.target.files?.length) { load(event.target.files[0]); event.target.value = ''; } });
element.addEventListener('dragover', event => event.preventDefault());
element.addEventListener('drop', event => { event.preventDefault(); if (event.dataTransfer.files.length) load(event.dataTransfer.files[0]); });
const DO = {
  all: () => { pen.fillStyle = PAINT; pen.fillRect(0, 0, canvas.width, canvas.height); painted = true; tell(); },
  wipe: () => { pen.clearRect(0, 0, canvas.width, canvas.height); painted = false; tell(); },
  remove: () => { show({}); own = JSON.stringify({picture: '', mask: ''}); props.value = own; },
};
element.addEventListener('click', event => DO[event.target.dataset?.do]?.());
watch('value', () => { if (props.value !== own) { own = props.value; show(JSON.parse(props.value)); } });
show(JSON.parse(props.value || '{}'));
