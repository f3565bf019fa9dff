document.body.append('Abanico');
