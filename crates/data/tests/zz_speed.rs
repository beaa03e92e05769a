use smolvlm_data::*;
use smolvlm_processor::*;
use std::path::Path;
use std::time::Instant;
#[test]
fn speed() {
    let p = Processor::open(Path::new("/work/peers/models/256m")).unwrap();
    let bytes = Picture { width: 1920, height: 1080, rgb: vec![0; 1920 * 1080 * 3] }.to_png().unwrap();
    for turns in [1usize, 4] {
        let mut messages = Vec::new();
        for t in 0..turns {
            let mut m =
                Message::user(usize::from(t == 0), "What is shown in this picture, and how many are there of them?");
            if t > 0 {
                m.content.retain(|p| matches!(p, Part::Text(_)));
            }
            messages.push(m);
            messages.push(Message::text("assistant", "There are three cats asleep on a red sofa beside a window."));
        }
        let e = Encoding {
            labels: Labels::Answers,
            length: 8192,
            long: Long::Skip,
            longest_edge: None,
            split: None,
            scale_frequency: 0.0,
            decode: DecodeOptions::default(),
            seed: 0,
        };
        let s = Sample { content: Content::Chat(messages.clone()), pictures: vec![PictureFile::Bytes(bytes.clone())] };
        for labels in [Labels::Answers, Labels::All] {
            let e = Encoding { labels, ..e.clone() };
            let mut best = f64::MAX;
            let mut n = 0;
            for _ in 0..50 {
                let t = Instant::now();
                n = e.example(&p, s.clone(), 0).unwrap().ids.len();
                best = best.min(t.elapsed().as_secs_f64() * 1e3);
            }
            println!("{turns} turns {labels:?}: {n} ids {best:.3} ms");
        }
        let o = PlanOptions { generation_prompt: false, ..PlanOptions::default() };
        let t = Instant::now();
        let plan = p.plan(&messages, &[(1920, 1080)], &o).unwrap();
        println!("plan {:.3} ms", t.elapsed().as_secs_f64() * 1e3);
        let h = plan.ids.iter().fold(0u64, |h, &i| h.wrapping_mul(31).wrapping_add(u64::from(i)));
        println!("hash {h}");
    }
}
