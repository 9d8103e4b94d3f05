// Of one request: so that progress is seen, and a server takes it.
const FILES = 100, BYTES = 32 * 2 ** 20;
const find = name => element.querySelector(name);
const area = find('.drop'), bar = find('.bar'), progress = find('progress'), said = find('.note');

// Every file within what was dropped, with its path.
async function* within(entry, folder = '') {
  const path = folder + entry.name;
  if (entry.isFile) { yield [path, await new Promise((done, failed) => entry.file(done, failed))]; return; }
  const reader = entry.createReader(), next = () => new Promise((done, failed) => reader.readEntries(done, failed));
  for (let some = await next(); some.length; some = await next())
    for (const one of some) yield* within(one, path + '/');
}

// What one request takes of what is left.
const portion = files => {
  let bytes = 0, taken = 0;
  while (taken < Math.min(FILES, files.length) && (taken === 0 || bytes + files[taken][1].size <= BYTES)) bytes += files[taken++][1].size;
  return files.splice(0, taken);
};

const send = async (files, refused) => {
  const sent = {into: '', pictures: 0, captions: 0, refused}, all = files.length;
  while (files.length) {
    const some = portion(files), form = new FormData();
    for (const [path, file] of some) form.append('files', file, path);
    if (sent.into) form.append('into', sent.into);
    const answer = await fetch('api/v1/folders', {method: 'POST', body: form});
    const told = await answer.json().catch(() => ({error: 'the server did not take it'}));
    if (answer.status === 400) sent.refused.push(...some.map(([path]) => [path, told.error]));  // nothing of use in these
    else if (!answer.ok) throw Error(told.error);
    else {
      sent.into = told.name; sent.pictures += told.pictures; sent.captions += told.captions;
      sent.refused.push(...Object.entries(told.refused));
    }
    progress.value = 1 - files.length / all;
  }
  return sent;
};

const words = ({pictures, captions, refused}) => {
  const left = refused.length && ` ${refused.length} ${refused.length > 1 ? 'files were' : 'file was'} left out, such as ${refused[0].join(': ')}.`;
  return `${pictures} pictures and ${captions} files of captions are here.` + (left || '');
};

const take = async found => {
  area.hidden = true; bar.hidden = false; progress.removeAttribute('value'); said.textContent = 'sending';
  try {
    const files = [], refused = [];
    for await (const [path, file] of found) {
      if (path.split('/').some(part => part.startsWith('.'))) continue;  // what is hidden is no picture
      if (file.size > props.value) refused.push([path, 'it is larger than a picture may be']);
      else files.push([path, file]);
    }
    const sent = await send(files, refused);
    if (!sent.into) throw Error(refused.length ? refused[0].join(': ') : 'there are no files in it');
    said.textContent = words(sent);
    trigger('select', {folder: sent.into});
  } catch (error) { said.textContent = error.message; }
  area.hidden = false; bar.hidden = true;
};

// What comes without a folder of its own is put into one: pictures have a name together.
const LOOSE = 'pictures/';
async function* each(files) { for (const file of files) yield [file.webkitRelativePath || LOOSE + file.name, file]; }
async function* every(entries) {
  const folder = entries.length === 1 && entries[0].isDirectory ? '' : LOOSE;
  for (const entry of entries) yield* within(entry, folder);
}
element.addEventListener('change', event => { if (event.target.files?.length) { take(each([...event.target.files])); event.target.value = ''; } });
element.addEventListener('dragover', event => { event.preventDefault(); area.classList.add('over'); });
element.addEventListener('dragleave', () => area.classList.remove('over'));
element.addEventListener('drop', event => {
  event.preventDefault(); area.classList.remove('over');
  take(every([...event.dataTransfer.items].map(item => item.webkitGetAsEntry()).filter(Boolean)));
});
