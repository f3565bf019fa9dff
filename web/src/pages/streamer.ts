// The streamer page: choose a picture, go live, share the link, see how it goes.

import '../ui/app-header.ts';
import { startPage } from './page.ts';
import { StreamerDesk } from './streamer-desk.ts';
import './streamer.css';

const desk = new StreamerDesk();
startPage('streamer.title', { goLive: false }, [desk.root]);
desk.start();
